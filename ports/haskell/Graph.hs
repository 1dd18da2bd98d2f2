-- | Automatic differentiation (SPEC, section 5): a graph of numbers, built forward and walked backward. It is an arena:
-- node i is the i-th element of a few flat arrays, which grow when they are full and are used again for the next graph.
module Graph
  ( Graph, newGraph, Build, build, scratch, functions, Node, leaf, add, mul, power, powers, logarithm, exponential, relu
  , total, negated, plus, times, over, overNumber, Row, row, nodesOf, dot, backward, value, gradient, Doubles
  , valuesAndGradients, zero
  ) where

import Control.Monad (foldM, forM_, replicateM, when)
import Control.Monad.Reader (ReaderT (..))
import Control.Monad.ST (ST)
import Data.Array.Base (MArray, UArray, elems, getNumElements, listArray, newArray, newArray_, numElements, unsafeAt)
import Data.Array.Base (STUArray, unsafeRead, unsafeWrite)
import Data.Array.ST (STArray)
import Data.STRef (STRef, newSTRef, readSTRef, writeSTRef)
import Functions

newtype Node = Node Int

-- | Nodes listed by number, and the number of their mark: a node of its own that a walk has seen when it has seen them.
data Row = Row !Int !(UArray Int Int)

-- | How a number came about. A function of one node knows its slope there, the local gradient.
data Operation = Leaf | Mark | Add !Int !Int | Mul !Int !Int | Function !Int !Double | Dot !Row !Row

type Doubles s = STUArray s Int Double

data Arena s = Arena
  { math :: !Math
  , used :: !(STUArray s Int Int) -- how many nodes
  , operations :: !(STArray s Int Operation)
  , seen :: !(STUArray s Int Int) -- 1 by a walk; there is nothing to see below a leaf
  , values, gradients :: !(Doubles s)
  }

type Graph s = STRef s (Arena s)

-- | An action that adds to a graph.
type Build s = ReaderT (Graph s) (ST s)

newGraph :: Math -> ST s (Graph s)
newGraph kind = Arena kind <$> some 0 <*> some Leaf <*> some 0 <*> some 0 <*> some 0 >>= newSTRef
  where
    some :: MArray a e (ST s) => e -> ST s (a Int e)
    some = newArray (0, 1023)

build :: Graph s -> Build s a -> ST s a
build = flip runReaderT

withArena :: (Arena s -> ST s a) -> Build s a
withArena action = ReaderT $ \graph -> readSTRef graph >>= action
{-# INLINE withArena #-}

functions :: Build s Math
functions = withArena (pure . math)

-- | What is built here is forgotten afterwards. The nodes from before stay, with their gradients.
scratch :: Build s a -> Build s a
scratch action = do
  before <- withArena (\a -> unsafeRead (used a) 0)
  result <- action
  result <$ withArena (\a -> unsafeWrite (used a) 0 before)

-- * Nodes

push :: Operation -> Double -> Build s Node
push operation x = ReaderT $ \graph -> do
  Arena f u o n v g <- readSTRef graph
  i <- unsafeRead u 0
  size <- getNumElements v
  when (i == size) $ Arena f u <$> doubled o <*> doubled n <*> doubled v <*> doubled g >>= writeSTRef graph
  Arena {..} <- readSTRef graph
  unsafeWrite operations i operation >> unsafeWrite values i x >> unsafeWrite gradients i 0
  unsafeWrite seen i (case operation of Leaf -> 1; _ -> 0)
  Node i <$ unsafeWrite used 0 (i + 1)

doubled :: MArray a e (ST s) => a Int e -> ST s (a Int e)
doubled old = do
  size <- getNumElements old
  new <- newArray_ (0, 2 * size - 1)
  new <$ forM_ [0 .. size - 1] (\i -> unsafeRead old i >>= unsafeWrite new i)
{-# INLINE doubled #-}

value, gradient :: Node -> Build s Double
value (Node i) = withArena (\a -> unsafeRead (values a) i)
gradient (Node i) = withArena (\a -> unsafeRead (gradients a) i)

leaf :: Double -> Build s Node
leaf = push Leaf

add, mul, over :: Node -> Node -> Build s Node
add a@(Node i) b@(Node j) = (+) <$> value a <*> value b >>= push (Add i j)
mul a@(Node i) b@(Node j) = (*) <$> value a <*> value b >>= push (Mul i j)
over a b = power (-1) b >>= mul a

-- | A function of a node, given its value and slope, in so many nodes of its own.
function :: Int -> (Math -> Double -> (Double, Double)) -> Node -> Build s [Node]
function count f a@(Node i) = do
  (!y, !slope) <- f <$> functions <*> value a
  replicateM count (push (Function i slope) y)
{-# INLINE function #-}

powers :: Int -> Double -> Node -> Build s [Node]
powers count c = function count (\kind x -> (powOf kind x c, c * powOf kind x (c - 1)))

logarithm, exponential, relu, negated :: Node -> Build s Node
logarithm = fmap head . function 1 (\kind x -> (logOf kind x, 1 / x))
exponential = fmap head . function 1 (\kind x -> let y = expOf kind x in (y, y))
relu = fmap head . function 1 (\_ x -> if x > 0 then (x, 1) else (0, 0))
negated = times (-1)

power, plus, times, overNumber :: Double -> Node -> Build s Node
power c = fmap head . powers 1 c
plus c = fmap head . function 1 (\_ x -> (x + c, 1))
times c = fmap head . function 1 (\_ x -> (x * c, c))
overNumber c a = functions >>= \kind -> times (powOf kind c (-1)) a

-- | From the left, beginning with the node x0 + 0.
total :: [Node] -> Build s Node
total nodes = mapM (plus zero) (take 1 nodes) >>= \start -> foldM add (head start) (drop 1 nodes)

row :: [Node] -> Build s Row
row nodes = (\(Node mark) -> Row mark (listArray (0, length nodes - 1) [i | Node i <- nodes])) <$> push Mark 0

nodesOf :: Row -> [Node]
nodesOf (Row _ nodes) = map Node (elems nodes)

-- | The sum of the products a_j * b_j. Its children are a_0, b_0, a_1, b_1, …
dot :: Row -> Row -> Build s Node
dot a b = withArena products >>= push (Dot a b)
  where
    products Arena {..} = foldPairs (\x i j -> (\y z -> x + y * z) <$> at i <*> at j) zero a b
      where
        at = unsafeRead values

foldPairs :: Monad m => (a -> Int -> Int -> m a) -> a -> Row -> Row -> m a
foldPairs f start (Row _ !a) (Row _ !b) = go start 0
  where
    go !result j
      | j == numElements a = pure result
      | otherwise = f result (unsafeAt a j) (unsafeAt b j) >>= \next -> go next (j + 1)
{-# INLINE foldPairs #-}

-- | +0.0. GHC simplifies 0 + x to x, which is wrong for x = -0.0: so it must not see that this is a zero.
zero :: Double
zero = 0
{-# NOINLINE zero #-}

-- | Of the nodes by number, until the graph grows.
valuesAndGradients :: Build s (Doubles s, Doubles s)
valuesAndGradients = withArena (\a -> pure (values a, gradients a))

-- * Backward

-- | Gradients of all nodes below a root, once in the life of a graph.
backward :: Node -> Build s ()
backward (Node root) = withArena $ \arena@Arena {..} -> do
  let give child x = unsafeRead gradients child >>= unsafeWrite gradients child . (+ x)
      exchange !g !a !b = do
        (x, y) <- (,) <$> unsafeRead values a <*> unsafeRead values b
        give a (y * g) >> give b (x * g)
      differentiate node = do
        g <- unsafeRead gradients node
        unsafeRead operations node >>= \case
          Add a b -> give a g >> give b g
          Mul a b -> exchange g a b
          Function a slope -> give a (slope * g)
          Dot a b -> foldPairs (const (exchange g)) () a b
          _ -> pure ()
  unsafeWrite gradients root 1
  visit arena [] root >>= mapM_ differentiate

-- | Puts a node and what is below it, unless seen before, in front: the reverse of the depth-first post-order.
visit :: Arena s -> [Int] -> Int -> ST s [Int]
visit Arena {..} = enter
  where
    enter done node = unsafeRead seen node >>= \old -> if old == 1 then pure done else open done node
    {-# INLINE enter #-}
    open done node = do
      unsafeWrite seen node 1
      fmap (node :) $ unsafeRead operations node >>= \case
        Add a b -> both done a b
        Mul a b -> both done a b
        Function a _ -> enter done a
        Dot a@(Row i _) b@(Row j _) -> do
          known <- (+) <$> unsafeRead seen i <*> unsafeRead seen j
          unsafeWrite seen i 1 >> unsafeWrite seen j 1
          if known == 2 then pure done else foldPairs both done a b
        _ -> pure done
    both done a b = enter done a >>= (`enter` b)
    {-# INLINE both #-}
