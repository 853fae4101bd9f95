"""The entries that may touch money, the balance sheets they leave, and the audit of both."""
