"""A made-up telemarketing company in the contracts of data_schemas, with the true risk beside it."""
