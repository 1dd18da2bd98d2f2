{-# LANGUAGE LambdaCase #-}
{-# LANGUAGE OverloadedStrings #-}

-- | microgpt: one small GPT, trained from a list of names to new ones, bit for bit as conformance/SPEC.md has
-- it.
--
-- Without arguments this program answers the requests of that page. As `microgpt run [seed|classic] <
-- names.txt` it trains for people, and prints what the reference prints.
--
-- Where to read: "Exact" has the functions that round correctly, "Tape" differentiates, "Network" is the GPT,
-- "Training" has Adam, "Run" a whole run, "Protocol" the requests.
module Main (main) where

import Control.Exception (catch, throwIO)
import Control.Monad.ST (stToIO)
import qualified Data.ByteString as Bytes
import Data.ByteString.Builder (Builder, hPutBuilder)
import qualified Data.ByteString.Char8 as Char8
import qualified Data.ByteString.Lazy as Lazy
import Data.Text (Text)
import Data.Text.Encoding (decodeUtf8', encodeUtf8Builder)
import Functions
import GHC.IO (ioToST)
import GHC.IO.Exception (IOErrorType (ResourceVanished), IOException (ioe_type))
import Protocol
import Run
import System.Environment (getArgs)
import System.Exit (ExitCode (..), exitWith)
import System.IO (BufferMode (..), hFlush, hPutStr, hSetBinaryMode, hSetBuffering, stderr, stdin, stdout)
import Tokens
import Wire (linesOf)

main :: IO ()
main = do
  hSetBinaryMode stdin True
  hSetBinaryMode stdout True
  hSetBuffering stdout (BlockBuffering Nothing)
  arguments <- getArgs
  untilNobodyListens $ case arguments of
    [] -> Lazy.getContents >>= mapM_ put . replies . linesOf
    ["run"] -> mapM_ runForPeople (lookup "seed" presets)
    ["run", named] | Just preset <- lookup (Char8.pack named) presets -> runForPeople preset
    [help] | help `elem` ["--help", "-h"] -> putStr usage
    _ -> refuse usage

usage :: String
usage =
  "usage: microgpt                                 answer requests on standard input\n\
  \       microgpt run [seed|classic] < names.txt  train on these names and print new ones\n"

-- | A reader that goes away ends the program, and is no error.
untilNobodyListens :: IO () -> IO ()
untilNobodyListens action = action `catch` \problem ->
  if ioe_type problem == ResourceVanished then exitWith ExitSuccess else throwIO problem

put :: Builder -> IO ()
put text = hPutBuilder stdout text >> hFlush stdout

refuse :: String -> IO a
refuse sentence = hPutStr stderr sentence >> exitWith (ExitFailure 2)

runForPeople :: Preset -> IO ()
runForPeople preset = do
  text <- mapM decoded . zip [1 ..] . Char8.split '\n' =<< Bytes.getContents
  case documentsOf text of
    [] -> refuse "microgpt: standard input has no documents: every line is empty, and one is needed\n"
    documents -> stToIO (run Exact preset documents say) >>= \case
      Just _ -> pure ()
      Nothing -> refuse "microgpt: a sample cannot be drawn: the model's probabilities are not finite\n"
  where
    say text = ioToST (put (encodeUtf8Builder text <> "\n"))

-- | A numbered line as text.
decoded :: (Int, Bytes.ByteString) -> IO Text
decoded (number, bytes) = either (const (refuse sentence)) pure (decodeUtf8' bytes)
  where
    sentence = "microgpt: line " ++ show number ++ " of standard input is not UTF-8: save it as UTF-8 text\n"
