from scatd.cli.pretrain import pretrain

if __name__ == "__main__":
    pretrain()
