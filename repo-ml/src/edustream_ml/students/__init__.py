"""Synthetic students of a subscription for online courses, drawn from a process whose best possible model is known.

The process, for each student:

1. Two hidden traits, engagement and ability, are standard normal. They are in no column.
2. `population` draws the columns: traits of the person and of the subscription from fixed shares; hours of study,
   lessons, days since the last visit and quiz scores from the hidden traits, with noise.
3. `cancellation` computes from the columns, as they are written, the probability that the student cancels within the
   next month: the logistic function of a sum of effects, rounded to six decimals.
4. The student cancels with that probability, independently of everything else.

Since the hidden traits act through the columns alone, no model can rank students better than by that probability
(Neyman and Pearson, 1933): its ROC AUC is the best possible one, and is computed while the file is written.
"""
