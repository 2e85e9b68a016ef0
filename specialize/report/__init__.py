"""Write reports for people: one self-contained HTML file each, with the tables that the command line prints."""
