"""The Parquet layout of a data folder: reading, atomic writing, validation, importers."""
