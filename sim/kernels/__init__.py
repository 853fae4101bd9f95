"""Pure functions over arrays: no drawing, raising, logging or globals; outputs are named ``out`` or ``..._out``."""
