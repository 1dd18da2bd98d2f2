{-# LANGUAGE RecordWildCards #-}

-- | Automatic differentiation (SPEC, section 5): a graph of numbers, built forward and walked backward. It is an arena:
-- node i is the i-th element of a few flat arrays, which grow when they are full and are used again for the next graph.
module Graph
  ( Graph, newGraph, Build, build, scratch, functions
  , Node, leaf, add, mul, power, logarithm, exponential, relu, total, negated, plus, times, over, overNumber
  , Row, row, nodesOf, dot, backward, value, gradient, Doubles, valuesAndGradients, zero
  ) where

import Control.Monad (foldM, foldM_, forM_, when)
import Control.Monad.Reader (ReaderT (..))
import Control.Monad.ST (ST)
import Data.Array.Base (MArray, STUArray, getNumElements, newArray, newArray_, unsafeRead, unsafeWrite)
import Data.STRef (STRef, newSTRef, readSTRef, writeSTRef)
import Functions

newtype Node = Node Int

-- | Nodes listed in the graph: the place of their number, of a 1 when a walk has seen them all, and of the nodes.
newtype Row = Row Int

-- | The last is a whole dot product.
data Kind = Leaf | Add | Mul | Pow | Log | Exp | Relu | Dot
  deriving (Enum, Eq)

type Ints s = STUArray s Int Int
type Doubles s = STUArray s Int Double

-- | Operands are nodes, but for a power's exponent, which is there as twice its value, and the rows of a dot product.
data Arena s = Arena
  { math :: !Math
  , used, rows, kinds, lefts, rights :: !(Ints s) -- used: how many nodes, how many elements of rows
  , cursors, links :: !(Ints s) -- of the walk: where it is among the children, 0 before it comes; see 'thread'
  , values, gradients :: !(Doubles s)
  }

type Graph s = STRef s (Arena s)

-- | An action that adds to a graph.
type Build s = ReaderT (Graph s) (ST s)

newGraph :: Math -> ST s (Graph s)
newGraph kind = do
  arena <- Arena kind <$> some 0 <*> some 0 <*> some 0 <*> some 0 <*> some 0 <*> some 0 <*> some 0
  arena <$> some 0 <*> some 0 >>= newSTRef
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

push :: Kind -> Int -> Int -> Double -> Build s Node
push kind left right x = ReaderT $ \graph -> do
  Arena f u e k l r c n v g <- readSTRef graph
  i <- unsafeRead u 0
  size <- getNumElements v
  when (i == size) $ do
    let wider old = grown (i + 1) old
    arena <- Arena f u e <$> wider k <*> wider l <*> wider r <*> wider c <*> wider n
    arena <$> grown (i + 1) v <*> grown (i + 1) g >>= writeSTRef graph
  Arena {..} <- readSTRef graph
  unsafeWrite kinds i (fromEnum kind) >> unsafeWrite lefts i left >> unsafeWrite rights i right
  unsafeWrite cursors i (if kind == Leaf then 1 else 0)
  unsafeWrite values i x >> unsafeWrite gradients i 0
  Node i <$ unsafeWrite used 0 (i + 1)

value, gradient :: Node -> Build s Double
value (Node i) = withArena (\a -> unsafeRead (values a) i)
gradient (Node i) = withArena (\a -> unsafeRead (gradients a) i)

leaf :: Double -> Build s Node
leaf = push Leaf 0 0

add, mul, over :: Node -> Node -> Build s Node
add a@(Node i) b@(Node j) = (+) <$> value a <*> value b >>= push Add i j
mul a@(Node i) b@(Node j) = (*) <$> value a <*> value b >>= push Mul i j
over a b = power (-1) b >>= mul a

logarithm, exponential, relu, negated :: Node -> Build s Node
logarithm a@(Node i) = logOf <$> functions <*> value a >>= push Log i 0
exponential a@(Node i) = expOf <$> functions <*> value a >>= push Exp i 0
relu a@(Node i) = (\x -> if x > 0 then x else 0) <$> value a >>= push Relu i 0
negated = times (-1)

power, plus, times, overNumber :: Double -> Node -> Build s Node
power c a@(Node i) = (\kind x -> powOf kind x c) <$> functions <*> value a >>= push Pow i (truncate (2 * c))
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
dot (Row a) (Row b) = withArena products >>= push Dot a b
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
backward root@(Node top) = thread root >> withArena differentiate
  where
    differentiate Arena {..} = unsafeWrite gradients top 1 >> pass top
      where
        pass node = when (node >= 0) $ do
          (a, b, kind) <- (,,) <$> unsafeRead lefts node <*> unsafeRead rights node <*> unsafeRead kinds node
          g <- unsafeRead gradients node
          let along slope = unsafeRead values a >>= \x -> give a (slope x * g)
          case toEnum kind of
            Leaf -> pure ()
            Add -> give a g >> give b g
            Mul -> exchange g a b
            Pow -> let c = fromIntegral b / 2 in along (\x -> c * powOf math x (c - 1))
            Log -> along (1 /)
            Exp -> unsafeRead values node >>= \y -> give a (y * g)
            Relu -> along (\x -> if x > 0 then 1 else 0)
            Dot -> unsafeRead rows a >>= products g a b 2 . (+ 2)
          unsafeRead links node >>= pass
        give child x = unsafeRead gradients child >>= unsafeWrite gradients child . (+ x)
        exchange !g !a !b = do
          (x, y) <- (,) <$> unsafeRead values a <*> unsafeRead values b
          give a (y * g) >> give b (x * g)
        products !g !a !b !j !end = when (j < end) $ do
          (left, right) <- (,) <$> unsafeRead rows (a + j) <*> unsafeRead rows (b + j)
          exchange g left right >> products g a b (j + 1) end

-- | Link the nodes below a root in the reverse of the depth-first post-order; -1 ends the chain. While a node waits for
-- its children, its link leads to the node that waits for it.
thread :: Node -> Build s ()
thread (Node root) = withArena $ \Arena {..} -> do
  let enter node waiting done = unsafeWrite cursors node 2 >> unsafeWrite links node waiting >> walk node done
      walk node done = do
        (a, b, kind) <- (,,) <$> unsafeRead lefts node <*> unsafeRead rights node <*> unsafeRead kinds node
        let leave = do
              waiting <- unsafeRead links node
              unsafeWrite links node done
              when (waiting >= 0) (walk waiting node)
            visit j child onward = unsafeRead cursors child >>= \seen ->
              if seen > 0 then onward else unsafeWrite cursors node j >> enter child node done
            {-# INLINE visit #-}
            pairs end j
              | j >= end = unsafeWrite rows (a + 1) 1 >> unsafeWrite rows (b + 1) 1 >> leave
              | otherwise = do
                  (left, right) <- (,) <$> unsafeRead rows (a + j) <*> unsafeRead rows (b + j)
                  visit j left (visit j right (pairs end (j + 1)))
        case toEnum kind of
          Leaf -> leave
          Dot -> do
            seen <- (+) <$> unsafeRead rows (a + 1) <*> unsafeRead rows (b + 1)
            end <- (+ 2) <$> unsafeRead rows a
            if seen == 2 then leave else unsafeRead cursors node >>= pairs end
          one -> visit 2 a (if one == Add || one == Mul then visit 2 b leave else leave)
  enter root (-1) (-1)
