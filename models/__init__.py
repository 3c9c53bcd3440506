"""WHERE it is kept: mapped classes, row policies and reusable selects."""
