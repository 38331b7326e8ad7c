"""What every tutorial runs first: a working folder of its own, as `scatd demo` leaves it.

Each page then shows the same, whatever the other pages have trained.
"""

import atexit
import os
import shutil
import tempfile
import warnings
from pathlib import Path

import pandas as pd

demo = Path("../_build/demo").resolve()  # notebooks run in docs/tutorials
folder = Path(tempfile.mkdtemp(prefix="scatd-tutorial-"))
atexit.register(shutil.rmtree, folder, ignore_errors=True)
shutil.copy(demo / "mlflow.db", folder)
(folder / "scatd-demo").symlink_to(demo / "scatd-demo")
os.chdir(folder)

os.environ["TQDM_DISABLE"] = "1"  # a bar that is over says nothing on a page
pd.set_option("display.max_colwidth", 90)
# tqdm would draw its bars with widgets, which are not installed.
warnings.filterwarnings("ignore", message="IProgress not found")
