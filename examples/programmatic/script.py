# %% For save_notebook.py.
import os

print("in", os.getcwd())
# %%
factor = 6
factor * 7
