{-# LANGUAGE OverloadedStrings #-}

-- | Lines of requests and replies that several verbs share.
module Lines
  ( Verb
    -- * Requests
  , kindsOfMath
  , mathLine
  , documentLines
  , checkVocabulary
  , seedWord
    -- * Replies
  , doubleLine
  , wordDecimal
  ) where

import Control.Monad (when)
import Data.ByteString (ByteString)
import Data.ByteString.Builder (Builder, word32Dec)
import Data.Char (chr)
import Data.Text (Text)
import qualified Data.Text as Text
import Data.Word (Word32)
import Functions
import Tokens
import Wire

-- | Parses the lines of a request, and results in its reply, unless there turns out to be none.
type Verb = Parser (Either Reason Builder)

-- * Requests

kindsOfMath :: [(ByteString, Math)]
kindsOfMath = [("exact", Exact), ("native", Native)]

mathLine :: Parser Math
mathLine = field "math" (keyword kindsOfMath)

-- | The documents of one or more lines of text, not all of them empty.
documentLines :: Parser [Text]
documentLines = do
  documents <- documentsOf <$> several "line" (Text.pack <$> text)
  when (null documents) (failing "expected a document and got nothing but empty lines")
  pure documents
  where
    text = do
      characters' <- remaining codePoint
      when (length characters' > 10000) (failing "expected 10000 code points at most")
      pure characters'
    codePoint = do
      n <- integer 0 1114111
      when (n >= 0xd800 && n <= 0xdfff) (failing "expected code points and got a surrogate")
      pure (chr n)

-- | The range of `vocabulary` holds for one that is made from documents, too.
checkVocabulary :: Tokenizer -> Either Reason ()
checkVocabulary tokenizer =
  when (vocabularySize tokenizer > 2048) (Left "expected documents of 2047 distinct characters at most")

seedWord :: Values Word32
seedWord = fromIntegral <$> integer 0 4294967295

-- * Replies

doubleLine :: ByteString -> Double -> Builder
doubleLine key x = line key [hexadecimal x]

wordDecimal :: Word32 -> Builder
wordDecimal = word32Dec
