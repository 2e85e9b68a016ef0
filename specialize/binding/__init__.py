"""The three ways in which a fleet binds calibration: exact, within an envelope, from tables.

`binding` chooses; exact needs nothing more. `envelope` and `capacity` say how much room others get; `tabulate` makes an
engine that takes its tables as inputs, `tables` the tables of one vehicle for it.
"""
