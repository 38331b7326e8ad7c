from scatd.cli.suggest import suggest

if __name__ == "__main__":
    suggest()
