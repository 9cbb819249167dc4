"""Stories of use case 1, told through public interfaces only; imports nothing of the others."""
