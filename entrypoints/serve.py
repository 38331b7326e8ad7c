from scatd.cli.serve import serve

if __name__ == "__main__":
    serve()
