from scatd.cli.tcga import tcga

if __name__ == "__main__":
    tcga()
