# Otto sends nothing for two days. His nurse is asked to look after him; a reading ends it.
0s   otto systolic 128
expect nora paged within 49h
50h  otto systolic 131
expect task resolved within 1h
