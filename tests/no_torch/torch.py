raise ImportError("this command must not need torch")
