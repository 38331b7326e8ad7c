from scatd.cli.check import check

if __name__ == "__main__":
    check()
