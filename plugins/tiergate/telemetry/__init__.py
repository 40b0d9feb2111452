"""Every span, attribute and metric name, declared once."""
