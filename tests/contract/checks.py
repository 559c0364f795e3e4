"""The checks: functions that take a lab and raise a fault, each with the sentence of the contract that it checks."""

CHECKS = []


def check(function):
    """Registers a check; its docstring is the sentence."""
    CHECKS.append(function)
    return function
