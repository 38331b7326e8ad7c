from scatd.cli.transfer import transfer

if __name__ == "__main__":
    transfer()
