{-# LANGUAGE RecordWildCards #-}

-- | Automatic differentiation (SPEC, section 5): a graph of numbers, built forward and walked backward. It is an arena:
-- node i is the i-th element of a few flat arrays, which grow when they are full and are used again for the next graph.
module Graph
  ( Graph, newGraph, Build, build, scratch, functions
  , Node, leaf, add, mul, power, powers, logarithm, exponential, relu, total, negated, plus, times, over, overNumber
  , Row, row, nodesOf, dot, backward, value, gradient, Doubles, valuesAndGradients, zero
  ) where

import Control.Monad (foldM, foldM_, forM_, replicateM, when)
import Control.Monad.Reader (ReaderT (..))
import Control.Monad.ST (ST)
import Data.Array.Base (MArray, STUArray, getNumElements, newArray, newArray_, unsafeRead, unsafeWrite)
import Data.STRef (STRef, newSTRef, readSTRef, writeSTRef)
import Functions

newtype Node = Node Int

-- | Nodes listed in the graph: the place of their number, of a 1 when a walk has seen them all, and of the nodes.
newtype Row = Row Int

-- | One is a function of one node, and Dot a whole dot product.
data Kind = Leaf | Add | Mul | One | Dot
  deriving (Enum, Eq)

type Ints s = STUArray s Int Int
type Doubles s = STUArray s Int Double

-- | Operands are nodes, or the rows of a dot product. A slope is the local gradient of a function of one node.
data Arena s = Arena
  { math :: !Math
  , used, rows, kinds, lefts, rights, seen :: !(Ints s) -- used: how many nodes, how many elements of rows
  , values, gradients, slopes :: !(Doubles s)
  }

type Graph s = STRef s (Arena s)

-- | An action that adds to a graph.
type Build s = ReaderT (Graph s) (ST s)

newGraph :: Math -> ST s (Graph s)
newGraph kind = do
  arena <- Arena kind <$> some 0 <*> some 0 <*> some 0 <*> some 0 <*> some 0 <*> some 0
  arena <$> some 0 <*> some 0 <*> some 0 >>= newSTRef
  where
    some zeros = newArray (0, 1023) zeros

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
  before <- withArena (\a -> mapM (unsafeRead (used a)) [0, 1])
  result <- action
  result <$ withArena (\a -> forM_ (zip [0, 1] before) (uncurry (unsafeWrite (used a))))

-- | Doubled in length until it holds so many elements.
grown :: MArray (STUArray s) e (ST s) => Int -> STUArray s Int e -> ST s (STUArray s Int e)
grown needed old = getNumElements old >>= \size ->
  if size >= needed then pure old else do
    new <- newArray_ (0, 2 * size - 1)
    forM_ [0 .. size - 1] $ \i -> unsafeRead old i >>= unsafeWrite new i
    grown needed new

-- * Nodes

push :: Kind -> Int -> Int -> Double -> Double -> Build s Node
push kind left right slope x = ReaderT $ \graph -> do
  Arena f u e k l r n v g s <- readSTRef graph
  i <- unsafeRead u 0
  size <- getNumElements v
  when (i == size) $ do
    let wider old = grown (i + 1) old
    arena <- Arena f u e <$> wider k <*> wider l <*> wider r <*> wider n
    arena <$> grown (i + 1) v <*> grown (i + 1) g <*> grown (i + 1) s >>= writeSTRef graph
  Arena {..} <- readSTRef graph
  unsafeWrite kinds i (fromEnum kind) >> unsafeWrite lefts i left >> unsafeWrite rights i right
  unsafeWrite seen i (if kind == Leaf then 1 else 0)
  unsafeWrite values i x >> unsafeWrite gradients i 0 >> unsafeWrite slopes i slope
  Node i <$ unsafeWrite used 0 (i + 1)

value, gradient :: Node -> Build s Double
value (Node i) = withArena (\a -> unsafeRead (values a) i)
gradient (Node i) = withArena (\a -> unsafeRead (gradients a) i)

leaf :: Double -> Build s Node
leaf = push Leaf 0 0 0

add, mul, over :: Node -> Node -> Build s Node
add a@(Node i) b@(Node j) = (+) <$> value a <*> value b >>= push Add i j 0
mul a@(Node i) b@(Node j) = (*) <$> value a <*> value b >>= push Mul i j 0
over a b = power (-1) b >>= mul a

-- | A function of a node, given its value and slope, in so many nodes of its own.
function :: Int -> (Math -> Double -> (Double, Double)) -> Node -> Build s [Node]
function count f a@(Node i) = do
  (!y, !slope) <- f <$> functions <*> value a
  replicateM count (push One i 0 slope y)
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
plus c a = leaf c >>= add a
times c a = leaf c >>= mul a
overNumber c a = functions >>= \kind -> times (powOf kind c (-1)) a

-- | From the left, beginning with the node x0 + 0.
total :: [Node] -> Build s Node
total nodes = mapM (plus 0) (take 1 nodes) >>= \start -> foldM add (head start) (drop 1 nodes)

row :: [Node] -> Build s Row
row nodes = ReaderT $ \graph -> do
  arena <- readSTRef graph
  from <- unsafeRead (used arena) 1
  let end = from + 2 + length nodes
  list <- grown end (rows arena)
  writeSTRef graph $! arena {rows = list}
  unsafeWrite list from (length nodes) >> unsafeWrite list (from + 1) 0
  foldM_ (\i (Node node) -> i + 1 <$ unsafeWrite list i node) (from + 2) nodes
  Row from <$ unsafeWrite (used arena) 1 end

nodesOf :: Row -> Build s [Node]
nodesOf (Row from) = withArena $ \a -> do
  count <- unsafeRead (rows a) from
  mapM (fmap Node . unsafeRead (rows a)) [from + 2 .. from + 1 + count]

-- | The sum of the products a_j * b_j. Its children are a_0, b_0, a_1, b_1, …
dot :: Row -> Row -> Build s Node
dot (Row a) (Row b) = withArena products >>= push Dot a b 0
  where
    products Arena {..} = unsafeRead rows a >>= go zero 2 . (+ 2)
      where
        at i = unsafeRead rows i >>= unsafeRead values
        go !subtotal !j !end
          | j >= end = pure subtotal
          | otherwise = (\x y -> subtotal + x * y) <$> at (a + j) <*> at (b + j) >>= \more -> go more (j + 1) end

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
      products !g !a !b !j !end = when (j < end) $ do
        (left, right) <- (,) <$> unsafeRead rows (a + j) <*> unsafeRead rows (b + j)
        exchange g left right >> products g a b (j + 1) end
      differentiate node = do
        (a, b, kind) <- (,,) <$> unsafeRead lefts node <*> unsafeRead rights node <*> unsafeRead kinds node
        g <- unsafeRead gradients node
        case toEnum kind of
          Leaf -> pure ()
          Add -> give a g >> give b g
          Mul -> exchange g a b
          One -> unsafeRead slopes node >>= \slope -> give a (slope * g)
          Dot -> unsafeRead rows a >>= products g a b 2 . (+ 2)
  unsafeWrite gradients root 1
  visit arena [] root >>= mapM_ differentiate

-- | Puts a node and what is below it, unless seen before, in front: the reverse of the depth-first post-order.
visit :: Arena s -> [Int] -> Int -> ST s [Int]
visit Arena {..} = enter
  where
    enter done node = unsafeRead seen node >>= \old -> if old == 1 then pure done else do
      (a, b, kind) <- (,,) <$> unsafeRead lefts node <*> unsafeRead rights node <*> unsafeRead kinds node
      unsafeWrite seen node 1
      (node :) <$> case toEnum kind of
        Leaf -> pure done
        One -> enter done a
        Dot -> do
          known <- (+) <$> unsafeRead rows (a + 1) <*> unsafeRead rows (b + 1)
          end <- (+ 2) <$> unsafeRead rows a
          unsafeWrite rows (a + 1) 1 >> unsafeWrite rows (b + 1) 1
          if known == 2 then pure done else pairs a b end 2 done
        _ -> enter done a >>= (`enter` b)
    pairs a b end j done
      | j >= end = pure done
      | otherwise = do
          (left, right) <- (,) <$> unsafeRead rows (a + j) <*> unsafeRead rows (b + j)
          enter done left >>= (`enter` right) >>= pairs a b end (j + 1)
