# Vera has not taken her morning tablet. Her nurse is asked after an hour; then Vera takes it.
0s   vera dispenser dispensed metoprolol-25
expect nora paged within 1h1m
70m  vera dispenser taken metoprolol-25
expect task resolved within 1m
