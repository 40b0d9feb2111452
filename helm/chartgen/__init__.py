"""Writes the generated files of the chart: copied configuration, values schema, table of values, rendered examples."""
