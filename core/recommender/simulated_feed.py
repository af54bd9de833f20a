"""A feed whose users' tastes are known: simulated interactions, and the best lists that anyone could have made.

Each post has one topic, a quality, a birth and a mean lifetime τ; each user has a share of interest in every topic that
drifts from day to day around that of a community, and opens the feed at random times. A session takes a few of the
living posts that the user has not had yet, one after the other, each with a probability proportional to

    utility = interest in the topic · quality · exp(-age / τ).

So at every moment it is known how likely each user is to interact with each post. `SimulatedFeed.best_lists` ranks by
that probability; it is a ListSource, which a replay judges beside algorithms:

    feed = simulated_feed(FeedSize(), seed=1)
    replayed(feed.interactions, algorithms, plan, sources={"best": feed.best_lists})

How far an algorithm is from perfect is its nDCG as a share of that of these lists, which is itself far below 1: what
a user takes is drawn by lot.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from core.recommender.synthetic_interactions import TYPE_SHARES
from core.recommender.timed_interactions import TimedInteractions

LIFETIMES_HOURS = (6.0, 48.0)
"""Between these lie the mean lifetimes of posts, evenly in their logarithm."""

LIFE_SPAN = 4.0
"""Mean lifetimes after which a post is dead: less than 2 % of its attention would be left."""

INTEREST_SPREAD, PERSONAL_SPREAD, QUALITY_SPREAD, ACTIVITY_SPREAD = 2.0, 1.0, 0.8, 0.8
"""Standard deviations of logarithms: interest in topics between communities and within one, quality, sessions."""

STEP_HOURS = 2.0
"""Between two looks at the attention that posts compete for: a third of the shortest mean lifetime."""

NOTHING_LEFT = 1e-100
"""The attention of what is left to somebody who had everything, so that there is something to divide by."""

NEWTON_STEPS = 3
"""From where they begin two are enough for a part in a hundred."""


@dataclass(frozen=True, slots=True)
class FeedSize:
    """How much is simulated; about users · days · sessions_per_day · posts_per_session interactions.

    drift: how much of a user's own taste is new each day, 0 for none and 1 for all of it; type_weights: what a view, a
    click, a like and a share weigh. Raises ValueError for what cannot be.
    """

    users: int = 1000
    days: int = 60
    posts_per_day: int = 80
    sessions_per_day: float = 0.5
    posts_per_session: float = 3.5
    topics: int = 24
    communities: int = 6
    drift: float = 0.03
    type_weights: tuple[float, float, float, float] = (1.0, 1.0, 1.0, 1.0)

    def __post_init__(self) -> None:
        for name in ("users", "days", "posts_per_day", "topics", "communities", "posts_per_session"):
            if not 1 <= getattr(self, name) < np.inf:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}")
        if not 0 < self.sessions_per_day < np.inf:
            raise ValueError(f"sessions_per_day must be more than 0, not {self.sessions_per_day}")
        if not 0 <= self.drift <= 1:
            raise ValueError(f"drift must be from 0 to 1, not {self.drift}")

    @property
    def hours(self) -> float:
        """How long the feed runs: its interactions lie in [0, hours)."""
        return self.days * 24.0


@dataclass(frozen=True, slots=True)
class SimulatedPosts:
    """Arrays of shape (posts,), by birth.

    topics: int64; qualities: float64, positive, 1 at the median; births: float64, hours, before 0 for those that live
    when the feed begins; lifetimes: float64, hours, the mean ones; deaths: float64, hours.
    """

    topics: NDArray[np.int64]
    qualities: NDArray[np.float64]
    births: NDArray[np.float64]
    lifetimes: NDArray[np.float64]

    @property
    def deaths(self) -> NDArray[np.float64]:
        """Hours, when nobody sees them any more."""
        return self.births + LIFE_SPAN * self.lifetimes

    def living(self, moment: float) -> NDArray[np.int64]:
        """Those born by the moment and not yet dead, rising."""
        first, end = np.searchsorted(self.births, (moment - LIFE_SPAN * LIFETIMES_HOURS[1], moment), side="right")
        born = np.arange(first, end)
        alive: NDArray[np.int64] = born[self.births[first:end] + LIFE_SPAN * self.lifetimes[first:end] > moment]
        return alive

    def attraction(self, posts: NDArray[np.int64], moment: float) -> NDArray[np.float64]:
        """(p,): quality times freshness of these posts, which live."""
        fresh: NDArray[np.float64] = np.exp((self.births[posts] - moment) / self.lifetimes[posts])
        return self.qualities[posts] * fresh


@dataclass(frozen=True)
class SimulatedFeed:
    """Interactions, and the truth behind them.

    interactions: by time, hours from 0; each pair of user and post at most once; types: (n,), int64, 0 to 3 for view,
    click, like and share; interests: (days, users, topics), float32, positive, summing to 1 over topics; sessions:
    (users,), float64, mean number per hour.
    """

    size: FeedSize
    interactions: TimedInteractions
    types: NDArray[np.int64]
    posts: SimulatedPosts
    interests: NDArray[np.float32]
    sessions: NDArray[np.float64]

    def best_lists(
        self,
        users: NDArray[np.int64],
        seen: csr_array,
        moment: float,
        horizon_hours: float,
        limit: int,
        *,
        age_hours: float = 0.0,
    ) -> NDArray[np.int64]:
        """Lists (q, limit) by the probability of a first interaction in (moment, moment + horizon], -1 where it is 0.

        users: (q,); seen: CSR (q, posts), the posts they had when the lists were made, `age_hours` before the moment;
        others than those that somebody had interacted with by then are not in the lists.
        """
        posts, chances = self.chances(users, seen, moment, horizon_hours, age_hours=age_hours)
        lists = np.full((len(users), limit), -1)
        best = np.argsort(-chances, axis=1, kind="stable")[:, :limit]
        there = np.take_along_axis(chances, best, axis=1) > 0
        lists[:, : best.shape[1]] = np.where(there, posts[best], -1) if len(posts) else -1
        return lists

    def chances(
        self,
        users: NDArray[np.int64],
        seen: csr_array,
        moment: float,
        horizon_hours: float,
        *,
        age_hours: float = 0.0,
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Known posts that live, (p,), rising, and (q, p) how likely each user's first interaction is in the horizon.

        exp(-a) · (1 - exp(-b)), where a and b are how often a session is expected to take a post that is still there,
        until the moment and in the horizon: a list of age 0 has a = 0. Posts born meanwhile take their part, too.
        """
        made = moment - age_hours
        posts = self._known(made)
        had = seen[:, posts].toarray() > 0
        last = min(moment + horizon_hours, float(self.posts.deaths[posts].max(initial=moment)))
        first, end = np.searchsorted(self.posts.births, (made - LIFE_SPAN * LIFETIMES_HOURS[1], last), side="right")
        taken = np.zeros((len(users), end - first))
        taken[:, posts - first] = np.where(had, np.inf, 0)
        self._take(users, taken, int(first), made, moment)
        before = taken[:, posts - first]
        self._take(users, taken, int(first), moment, last)
        within = taken[:, posts - first] - np.where(had, 0, before)
        return posts, np.exp(-before) * -np.expm1(-within)

    def utilities(self, users: NDArray[np.int64], posts: NDArray[np.int64], moment: float) -> NDArray[np.float64]:
        """(q, p): interest · quality · freshness at that moment, for posts that live then."""
        interests = self.interests[_day(moment, len(self.interests))][users]
        utilities: NDArray[np.float64] = interests[:, self.posts.topics[posts]] * self.posts.attraction(posts, moment)
        return utilities

    def _known(self, moment: float) -> NDArray[np.int64]:
        times = self.interactions.times
        met = np.unique(self.interactions.posts[: np.searchsorted(times, moment, side="right")])
        return np.intersect1d(met, self.posts.living(moment), assume_unique=True)

    def _take(self, users: NDArray[np.int64], taken: NDArray[np.float64], first: int, start: float, end: float) -> None:
        """Add to `taken`, (q, posts from `first` on), how often sessions between these moments take each post.

        A session takes each post of weight w with the probability 1 - exp(-w θ), θ such that these sum to the number of
        posts it takes: Rosén, Asymptotic theory for order sampling, J. Statistical Planning and Inference 62, 1997. Of
        the posts taken before, the part exp(-taken) is still there.
        """
        steps = int(np.ceil((end - start) / STEP_HOURS))
        for step in range(steps):
            middle = start + (end - start) * (step + 0.5) / steps
            living = self.posts.living(middle)
            weights = self.utilities(users, living, middle)
            odds = _inclusions(weights, np.exp(-taken[:, living - first]), self.size.posts_per_session)
            taken[:, living - first] += odds * (self.sessions[users] * (end - start) / steps)[:, None]


def simulated_feed(size: FeedSize, seed: int) -> SimulatedFeed:
    """Everything drawn by lot; the same arguments give the same feed."""
    random = np.random.default_rng(seed)
    posts, interests = _posts(random, size), _interests(random, size)
    activity = random.lognormal(0, ACTIVITY_SPREAD, size.users)
    sessions = activity / activity.mean() * size.sessions_per_day / 24
    users, taken, times = _taken(random, size, posts, interests, sessions)
    order = np.argsort(times, kind="stable")
    types = random.choice(len(TYPE_SHARES), size=len(order), p=TYPE_SHARES)
    weights = np.array(size.type_weights, dtype=np.float64)[types]
    interactions = TimedInteractions(users[order], taken[order], weights, times[order], size.users, len(posts.births))
    return SimulatedFeed(size, interactions, types, posts, interests, sessions)


def _posts(random: np.random.Generator, size: FeedSize) -> SimulatedPosts:
    # Those of the days before let the feed begin as it goes on.
    before = LIFE_SPAN * LIFETIMES_HOURS[1]
    count = round(size.posts_per_day * (size.hours + before) / 24)
    births = np.sort(random.uniform(-before, size.hours, count))
    shortest, longest = LIFETIMES_HOURS
    lifetimes = shortest * (longest / shortest) ** random.random(count)
    topics = random.integers(0, size.topics, count)
    return SimulatedPosts(topics, random.lognormal(0, QUALITY_SPREAD, count), births, lifetimes)


def _interests(random: np.random.Generator, size: FeedSize) -> NDArray[np.float32]:
    """(days, users, topics): as SimulatedFeed has them. Users belong to the community of their number modulo theirs."""
    of_communities = random.normal(0, INTEREST_SPREAD, (size.communities, size.topics))
    common = of_communities[np.arange(size.users) % size.communities]
    interests = np.empty((size.days, size.users, size.topics), dtype=np.float32)
    own = random.normal(0, PERSONAL_SPREAD, common.shape)
    for day in range(size.days):
        powers = np.exp(common + own)
        interests[day] = powers / powers.sum(axis=1, keepdims=True)
        new = random.normal(0, PERSONAL_SPREAD, common.shape)
        # The variance stays what it was.
        own = (1 - size.drift) * own + np.sqrt(1 - (1 - size.drift) ** 2) * new
    return interests


def _taken(
    random: np.random.Generator,
    size: FeedSize,
    posts: SimulatedPosts,
    interests: NDArray[np.float32],
    sessions: NDArray[np.float64],
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Users, posts and times, (n,), by user."""
    counts = random.poisson(sessions * size.hours)
    users, takes, times = [], [np.empty(0, dtype=np.int64)], []
    for user in range(size.users):
        had = np.zeros(len(posts.births), dtype=np.bool_)
        for time in np.sort(random.uniform(0, size.hours, counts[user])):
            living = posts.living(time)
            living = living[~had[living]]
            interest = interests[_day(time, size.days), user, posts.topics[living]]
            taken = living[_drawn(random, interest * posts.attraction(living, time), size.posts_per_session)]
            had[taken] = True
            takes.append(taken)
            users.append(user)
            times.append(time)
    lengths = [len(taken) for taken in takes[1:]]
    of_users, of_times = np.array(users, dtype=np.int64), np.array(times, dtype=np.float64)
    return np.repeat(of_users, lengths), np.concatenate(takes), np.repeat(of_times, lengths)


def _drawn(random: np.random.Generator, utilities: NDArray[np.float64], mean_count: float) -> NDArray[np.int64]:
    """Places drawn one after the other in proportion to utility, at least one of them if there are any.

    The smallest of exponential variates by weight: Efraimidis & Spirakis, Weighted random sampling with a reservoir,
    Information Processing Letters 97(5), 2006.
    """
    count = 1 + random.poisson(mean_count - 1)
    keys = random.standard_exponential(len(utilities)) / utilities
    return np.argsort(keys)[:count]


def _inclusions(weights: NDArray[np.float64], left: NDArray[np.float64], count: float) -> NDArray[np.float64]:
    """(q, p): how likely each of the posts, if it is left, is among the `count` that are taken."""
    theta = count / np.maximum((left * weights).sum(axis=1), NOTHING_LEFT)
    for _ in range(NEWTON_STEPS):
        missed = np.exp(-weights * theta[:, None])
        excess = (left * (1 - missed)).sum(axis=1) - count
        theta -= excess / np.maximum((left * weights * missed).sum(axis=1), NOTHING_LEFT)
    inclusions: NDArray[np.float64] = -np.expm1(-weights * theta[:, None])
    return inclusions


def _day(moment: float, days: int) -> int:
    """The day of a moment; what comes before the first and after the last is as these."""
    return min(max(0, int(moment // 24)), days - 1)
