"""Networks: what maps z to parameters of p(x|z), and x to parameters of q(z|x)."""
