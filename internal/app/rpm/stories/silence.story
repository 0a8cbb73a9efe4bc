# Otto has sent nothing for two days. His nurse is asked to look after him.
0s otto systolic 128
expect nora paged within 49h
