-- | The shape of a model and the places of its parameters (SPEC, section 6). What is computed with them is in
-- "Network".
module Model
  ( -- * Shape
    Config (..)
  , Activation (..)
  , Attention
  , Token (..)
  , causal
    -- * Parameters
  , Model (..)
  , Layer (..)
  , Matrix (..)
  , modelOf
  , matrices
  , parametersOf
  ) where

import Control.Monad.State.Strict (State, runState, state)
import Data.Array (Array, listArray)
import Data.Array.Unboxed (UArray)
import qualified Data.Array.Unboxed as Unboxed
import Data.ByteString (ByteString)
import qualified Data.ByteString.Char8 as Char8
import Functions
import Numbers

newtype Token = Token Int
  deriving (Eq)

data Activation = ReluOnce | ReluSquared

-- | For each position those to which it attends, in increasing order, itself the last.
type Attention = Array Int (UArray Int Int)

data Config = Config
  { layers, heads, embedding, block, vocabulary :: !Int
  , activation :: !Activation
  , attention :: !Attention
  }

-- | Every position attends to itself and to all before.
causal :: Int -> Attention
causal count = listArray (0, count - 1) [Unboxed.listArray (0, t) [0 .. t] | t <- [0 .. count - 1]]

-- | A matrix of parameters, row by row from its first slot on.
data Matrix = Matrix
  { name :: !ByteString
  , rowCount, columnCount :: !Int
  , origin :: !Slot
  }

data Layer = Layer
  { attnWq, attnWk, attnWv, attnWo, mlpFc1, mlpFc2 :: !Matrix
  }

data Model = Model
  { config :: !Config
  , mathOf :: !Math
  , wte, wpe, lmHead :: !Matrix
  , stack :: ![Layer]
  }

-- | The matrices stand one after the other, in the slots from 0 on.
modelOf :: Math -> Config -> Model
modelOf math shape = fst (runState model (Slot 0))
  where
    e = embedding shape
    model =
      Model shape math
        <$> matrix "wte" (vocabulary shape) e
        <*> matrix "wpe" (block shape) e
        <*> matrix "lm_head" (vocabulary shape) e
        <*> mapM layer [0 .. layers shape - 1]
    layer i =
      Layer
        <$> matrix (prefix ++ "attn_wq") e e
        <*> matrix (prefix ++ "attn_wk") e e
        <*> matrix (prefix ++ "attn_wv") e e
        <*> matrix (prefix ++ "attn_wo") e e
        <*> matrix (prefix ++ "mlp_fc1") (4 * e) e
        <*> matrix (prefix ++ "mlp_fc2") e (4 * e)
      where
        prefix = "layer" ++ show (i :: Int) ++ "."

matrix :: String -> Int -> Int -> State Slot Matrix
matrix called rows columns = state $ \from ->
  (Matrix (Char8.pack called) rows columns from, from +> rows * columns)

-- | In the order of their slots.
matrices :: Model -> [Matrix]
matrices model = wte model : wpe model : lmHead model : concatMap ofLayer (stack model)
  where
    ofLayer layer = map ($ layer) [attnWq, attnWk, attnWv, attnWo, mlpFc1, mlpFc2]

-- | All parameters together.
parametersOf :: Model -> Span
parametersOf model = Span (Slot 0) (sum [rowCount m * columnCount m | m <- matrices model])
