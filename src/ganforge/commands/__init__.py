"""The program's commands: one module each, imported once its configuration is valid."""
