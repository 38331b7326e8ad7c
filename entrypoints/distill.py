from scatd.cli.distill import distill

if __name__ == "__main__":
    distill()
