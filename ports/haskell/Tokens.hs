-- | Documents and their tokens (SPEC, section 4).
module Tokens
  ( documentsOf
  , Tokenizer
  , tokenizerOf
  , characters
  , vocabularySize
  , encode
  , decode
  ) where

import Data.Array.Unboxed (UArray, elems, listArray, (!))
import Data.Char (chr, ord)
import Data.IntMap.Strict (IntMap)
import qualified Data.IntMap.Strict as IntMap
import qualified Data.IntSet as IntSet
import Data.List (foldl')
import Data.Text (Text)
import qualified Data.Text as Text
import Model (Token (..))

-- | The lines without white space at their ends, but for those that are then empty. White space is that of
-- ASCII.
documentsOf :: [Text] -> [Text]
documentsOf = filter (not . Text.null) . map (Text.dropAround isWhite)
  where
    isWhite c = c == ' ' || (c >= '\t' && c <= '\r')

-- | The distinct characters of some documents are the tokens from 0 on; BOS comes after them.
data Tokenizer = Tokenizer
  { byToken :: !(UArray Int Char)
  , byCharacter :: !(IntMap Int)
  }

tokenizerOf :: [Text] -> Tokenizer
tokenizerOf documents =
  Tokenizer
    { byToken = listArray (0, IntSet.size distinct - 1) (map chr sorted)
    , byCharacter = IntMap.fromDistinctAscList (zip sorted [0 ..])
    }
  where
    distinct = foldl' (Text.foldl' (\seen c -> IntSet.insert (ord c) seen)) IntSet.empty documents
    sorted = IntSet.toAscList distinct

-- | In the order of their tokens.
characters :: Tokenizer -> [Char]
characters = elems . byToken

-- | With BOS.
vocabularySize :: Tokenizer -> Int
vocabularySize tokenizer = IntMap.size (byCharacter tokenizer) + 1

-- | A document of these characters, with BOS at both ends.
encode :: Tokenizer -> Text -> [Token]
encode tokenizer document = bos : Text.foldr ((:) . tokenOf) [bos] document
  where
    bos = Token (vocabularySize tokenizer - 1)
    tokenOf c = Token (byCharacter tokenizer IntMap.! ord c)

-- | The text of some tokens, without BOS.
decode :: Tokenizer -> [Token] -> Text
decode tokenizer tokens = Text.pack [byToken tokenizer ! token | Token token <- tokens, token < bos]
  where
    bos = vocabularySize tokenizer - 1
