"""The algorithms there are: one line each."""

from core.recommender.user_knn import UserKNN

ALGORITHMS = {
    "user_knn": UserKNN,
}
