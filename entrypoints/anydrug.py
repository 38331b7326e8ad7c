from scatd.cli.anydrug import anydrug

if __name__ == "__main__":
    anydrug()
