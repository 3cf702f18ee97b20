"""A made-up telemarketing company in the contracts of data_schemas, with the true risk beside it.

It shares no code with the features: what leads to a ban here is stated here, in `risk`.
"""

from simulator.run import Summary, simulate

__all__ = ["Summary", "simulate"]
