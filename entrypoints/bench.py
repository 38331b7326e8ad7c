from scatd.cli.bench import bench

if __name__ == "__main__":
    bench()
