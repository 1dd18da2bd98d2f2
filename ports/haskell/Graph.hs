-- | The graph of SPEC, section 5, node by node, for the verb `graph`. The model does not use it: what "Tape"
-- does in large pieces is done here as the specification says it.
module Graph
  ( -- * Nodes
    Graph
  , NodeId
  , emptyGraph
  , Build
  , leaf
  , plus
  , times
  , power
  , logarithm
  , exponential
  , rectified
    -- * Made of these
  , negated
  , minus
  , over
  , total
    -- * Results
  , valueOf
  , Gradients
  , gradientsFrom
  , gradientOf
  ) where

import Control.Monad (foldM)
import Control.Monad.State.Strict (State, gets, state)
import Data.IntMap.Strict (IntMap)
import qualified Data.IntMap.Strict as IntMap
import qualified Data.IntSet as IntSet
import Data.List (foldl')
import Data.Sequence (Seq, (|>))
import qualified Data.Sequence as Seq
import Functions
import Numbers (zero)

newtype NodeId = NodeId Int

-- | A value, and each child with the derivative by it.
data Node = Node !Double ![(NodeId, Double)]

-- | The nodes by number.
newtype Graph = Graph (Seq Node)

emptyGraph :: Graph
emptyGraph = Graph Seq.empty

type Build = State Graph

new :: Double -> [(NodeId, Double)] -> Build NodeId
new value children = state $ \(Graph nodes) ->
  let !node = Node value children
   in (NodeId (Seq.length nodes), Graph (nodes |> node))

valueOf :: NodeId -> Graph -> Double
valueOf (NodeId i) (Graph nodes) = let Node value _ = Seq.index nodes i in value

leaf :: Double -> Build NodeId
leaf x = new x []

plus, times, minus :: NodeId -> NodeId -> Build NodeId
plus a b = do
  x <- gets (valueOf a)
  y <- gets (valueOf b)
  new (x + y) [(a, 1), (b, 1)]
times a b = do
  x <- gets (valueOf a)
  y <- gets (valueOf b)
  new (x * y) [(a, y), (b, x)]
minus a b = negated b >>= plus a

over :: Math -> NodeId -> NodeId -> Build NodeId
over math a b = power math (-1) b >>= times a

power :: Math -> Double -> NodeId -> Build NodeId
power math c a = do
  x <- gets (valueOf a)
  new (powOf math x c) [(a, c * powOf math x (c - 1))]

logarithm, exponential :: Math -> NodeId -> Build NodeId
logarithm math a = do
  x <- gets (valueOf a)
  new (logOf math x) [(a, 1 / x)]
exponential math a = do
  y <- gets (expOf math . valueOf a)
  new y [(a, y)]

rectified, negated :: NodeId -> Build NodeId
rectified a = do
  x <- gets (valueOf a)
  if x > 0 then new x [(a, 1)] else new 0 [(a, 0)]
negated a = leaf (-1) >>= times a

-- | The sum from the left, which starts with the node x0 + 0.
total :: NodeId -> [NodeId] -> Build NodeId
total first more = do
  begun <- leaf 0 >>= plus first
  foldM plus begun more

-- | The gradients of the nodes that a root reaches. Those of all others are 0.
newtype Gradients = Gradients (IntMap Double)

gradientOf :: Gradients -> NodeId -> Double
gradientOf (Gradients known) (NodeId i) = IntMap.findWithDefault 0 i known

gradientsFrom :: NodeId -> Graph -> Gradients
gradientsFrom root@(NodeId top) graph@(Graph nodes) =
  Gradients (foldl' passOn (IntMap.singleton top 1) (reversePostOrder root graph))
  where
    passOn known i = foldl' add known children
      where
        Node _ children = Seq.index nodes i
        gradient = IntMap.findWithDefault 0 i known
        add sums (NodeId child, local) =
          IntMap.insert child (IntMap.findWithDefault zero child sums + local * gradient) sums

data Visit = Enter Int | Leave Int

-- | The reverse of the depth-first post-order. A list of what is left to do takes the place of recursion.
reversePostOrder :: NodeId -> Graph -> [Int]
reversePostOrder (NodeId root) (Graph nodes) = walk IntSet.empty [] [Enter root]
  where
    walk _ done [] = done
    walk seen done (Leave i : rest) = walk seen (i : done) rest
    walk seen done (Enter i : rest)
      | IntSet.member i seen = walk seen done rest
      | otherwise = walk (IntSet.insert i seen) done (map enter children ++ Leave i : rest)
      where
        Node _ children = Seq.index nodes i
    enter (NodeId child, _) = Enter child
