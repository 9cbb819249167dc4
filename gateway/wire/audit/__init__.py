"""The audit family: one event, rendered for each kind of audit repository."""
