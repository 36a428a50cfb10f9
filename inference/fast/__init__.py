"""What makes a step of SVI fast: programs recorded once and compiled, CUDA graphs, processes."""
