"""Format values for people and programs: numbers with units, documents, records as JSON, and foreign text."""
