# Sara's phone has no network for ten minutes. Her pressure falls and recovers unseen; the patch keeps the readings.
# Late data mends the trend and raises nothing as if it were new.
0s   sara systolic 121 diastolic 78
5m   sara loses connection
expect alarm no-data raised within 2m
8m   sara systolic 82 diastolic 45
10m  sara systolic 119 diastolic 76
15m  sara reconnects
expect alarm no-data resolved within 30s
expect trend sara systolic 82 at 8m within 10s
expect trend sara systolic 82 at 9m30s within 10s
expect trend sara systolic 119 at 12m within 10s
expect no alarm map-low for 3m
expect no alarm systolic-low for 3m
# The next fall is seen at once.
20m  sara systolic 83 diastolic 45
expect alarm map-low raised within 5s
expect dr-reyes paged within 5s
dr-reyes acknowledges
22m  sara systolic 119 diastolic 76
expect alarm map-low resolved within 1m
