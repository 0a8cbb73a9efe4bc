# Sara's metoprolol is due at 20:00, from a dispenser that says what is taken. She forgets it.
# A dose is late an hour after it was due and missed after four.
begins 19:55
needs medication
0s      sara systolic 131 diastolic 84
expect no alarm dose-late for 1m
# Nine o'clock.
1h5m    sara systolic 133 diastolic 85
expect alarm dose-late raised within 1m
expect k-adeyemi paged within 1m
# Midnight.
4h5m    sara systolic 134 diastolic 86
expect alarm dose-missed raised within 1m
expect k-adeyemi paged within 1m
k-adeyemi acknowledges dose-missed
expect alarm dose-missed acknowledged within 5s
# Too late to take it: the next one is due in eight hours.
4h20m   k-adeyemi notes "Rang Sara: she skips it and takes the next one at eight"
expect history note within 5s
