# Sara's metoprolol is due at 20:00, from a dispenser that says what is taken. She forgets it.
# A dose is late an hour after it was due and missed after four.
begins 20:55
needs medication
0s      sara systolic 131 diastolic 84
expect no alarm dose-late for 1m
# Nine o'clock.
5m10s   sara systolic 133 diastolic 85
expect alarm dose-late raised within 1m
# Midnight.
3h5m10s sara systolic 134 diastolic 86
expect alarm dose-missed raised within 1m
expect k-adeyemi paged within 1m
k-adeyemi acknowledges dose-missed
# Taken after all.
3h20m   sara takes metoprolol-25
expect alarm dose-missed resolved within 1m
