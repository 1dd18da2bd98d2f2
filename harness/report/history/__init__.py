"""How results change: the trend of one port over its runs, and the difference between two records.

trend.py   results/history/<port>.jsonl: written with every record that is saved, shown by `conform history`
diff.py    what got better, what got worse and what is new: `conform diff OLD NEW`
"""
