"""The FHIR family, R4: one module per transaction, resources as plain objects up to the nouns."""
