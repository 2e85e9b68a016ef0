"""Reports that people look at: one self-contained HTML file each, of tables that the command line prints as well."""
