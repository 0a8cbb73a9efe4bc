# Vera forgets her evening tablet.
0s vera dispenser dispensed
expect nora paged within 2h
