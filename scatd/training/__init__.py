"""Training loops. They are handed a Reporter and know no tracker."""
