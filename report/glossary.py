"""The words of a report, each in a sentence or two. Importing this does not import torch."""

GLOSSARY = {
    "log p(x), the evidence": (
        "What the model says of a datum: the log of its probability or density, with z summed or "
        "integrated out. Higher is better. It is known exactly for few models, and bounded for the "
        "others."
    ),
    "bound, side": (
        "A lower bound is below log p(x) on average, an upper bound above it. A higher lower bound "
        "is nearer, whatever it belongs to. The side says which of these a number is, or that it "
        "is exact."
    ),
    "nats, bits per dimension": (
        "Nats are units of the natural logarithm, summed over the dimensions of a datum. Bits per "
        "dimension are −log₂ of the probability, shared out over the dimensions: lower is better."
    ),
    "reconstruction, distortion": (
        "E_q[log p(x|z)]: how well the decoder explains x from codes of it; distortion is the same "
        "with the other sign."
    ),
    "rate": (
        "KL(q(z|x)‖p(z)): how many nats the code of a datum says beyond the prior. At a rate near "
        "0 the posterior has collapsed, and z says nothing about x."
    ),
    "ELBO": "Reconstruction − rate: the lower bound that training raises.",
    "gap": (
        "log p(x) − ELBO = KL(q(z|x)‖p(z|x)): how far q is from the posterior. The family's part "
        "is left by the best q of its kind for each datum, and the encoder's part is the rest."
    ),
    "IWAE-K": "The lower bound from K importance-weighted draws of q; more draws raise it.",
    "AIS-T": (
        "A lower bound from chains that are annealed from the prior to the posterior by T "
        "temperatures. Reverse AIS starts from an exact draw of the posterior, and is above."
    ),
    "IW-EUBO-K": "An upper bound from K draws, one of them from the posterior itself.",
    "k̂": (
        "The shape of the tail of a datum's importance weights. Above its threshold a few draws "
        "decide the estimate, and IWAE reads low."
    ),
    "s.e., paired": (
        "The standard error of a mean over data. A paired difference is taken datum by datum, so "
        "that what makes data hard or easy cancels."
    ),
    "space, measure": (
        "The set that data values lie in. With the counting measure p(x) is a probability of "
        "values that can be counted; with the Lebesgue measure it is a density, whose log may be "
        "positive and changes with the units of x."
    ),
    "dimension in use": "One whose E_q[z] varies with x, by more than 0.01 in variance over data.",
    "calibration": (
        "On data simulated with their z, the rank of that z among draws of q is uniform if q is "
        "the posterior. Outside the band, q is biased or of the wrong width."
    ),
    "E[x|z]": "The mean of p(x|z), which is what pictures show, and no draw from it.",
}
