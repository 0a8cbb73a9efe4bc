# The battery of Sara's patch runs low, then the patch is silent. The nurse hears of it, not the physician.
0s   sara battery 42
expect no alarm for 30s
5m   sara battery 18
expect alarm battery-low raised within 5s
expect k-adeyemi paged within 5s
6m   sara battery 4
expect alarm battery-critical raised within 5s
8m   sara goes silent
expect alarm no-data raised within 2m
k-adeyemi acknowledges no-data
# A fresh patch is put on.
14m  sara battery 100
sara reconnects
expect alarm no-data resolved within 30s
expect alarm battery-critical resolved within 30s
expect alarm battery-low resolved within 30s
expect no alarm for 2m
