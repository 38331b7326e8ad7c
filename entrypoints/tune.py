from scatd.cli.tune import tune

if __name__ == "__main__":
    tune()
