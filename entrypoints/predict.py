from scatd.cli.predict import predict

if __name__ == "__main__":
    predict()
