"""The contracts of bancast: tables, settings, clock, errors, and the lake they are kept in."""
