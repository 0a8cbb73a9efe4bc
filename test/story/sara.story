# Sara wears a smart patch at home. Her blood pressure drops. Dr Reyes does not answer; Dr Lee does.
0s   sara systolic 121 diastolic 78
5m   sara systolic 112 diastolic 70
expect no alarm for 30s
10m  sara systolic 84 diastolic 46
expect alarm map-low raised within 5s
expect dr-reyes paged within 5s
expect dr-lee paged within 2m5s
dr-lee sees
dr-lee acknowledges
expect alarm map-low acknowledged within 5s
13m  dr-lee opens video with sara
sara joins
expect history video_opened within 5s
14m  dr-lee writes "Please lie down and drink a glass of water. Help is on its way."
sara writes "I feel dizzy, my legs are up."
15m  dr-lee notes "Dizzy, no chest pain, talks clearly"
dr-lee orders "500 mL Ringer's by the home team"
20m  sara systolic 96 diastolic 62
30m  sara systolic 118 diastolic 74
expect alarm map-low resolved within 1m
31m  dr-lee closes "Orthostatic fall of pressure, better after fluids" "Metoprolol halved, call tomorrow"
expect history action within 5s
expect trend sara systolic 84 at 10m
expect trend sara systolic 118 at 30m
expect no alarm for 2m
